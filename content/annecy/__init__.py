"""The demonstration's destination: Annecy and its lake, written and drawn by hand for Balise."""
