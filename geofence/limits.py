"""Every bound of the room, with its reason."""

from __future__ import annotations

# Zones that one cell of the index lists at one level. A point is under at most seven lists; real
# destinations nest fewer than ten zones. Refused at edit, never truncated at lookup.
ZONES_PER_CELL_MAX = 256

# Levels a lookup can pass: root, two of 16 x 16 and four of 4 x 4 (cells of 0.3 m).
LEVELS_MAX = 7

# Zones over one point, whatever their sizes: what a lookup's buffer holds.
OVERLAP_MAX = ZONES_PER_CELL_MAX * LEVELS_MAX

# Zones in a tracker, over its life: a cell's value keeps 29 bits for a slot; four million is
# forty times the largest catalogue aimed at.
ZONES_MAX = 4_000_000

# Dwell times of one zone: its own and those that campaigns want.
DWELLS_PER_ZONE_MAX = 64

# A dwell fits 32 bits of milliseconds.
DWELL_MS_MAX = 2**31 - 1

# Fix times remembered a visitor (64 bytes): a resend within it is a duplicate, before it late.
# Neither moves the visitor; the difference is only what is reported.
RECENT_FIXES = 16

# Edges of one zone: a country in full detail is 10^5; twice that, all in one cell, still fits the
# 20 bits that a record has for its length.
EDGES_PER_ZONE_MAX = 200_000

# Beyond a quarter of the way round the Earth "inside a circle" helps nobody, and Vincenty's
# formula stops converging near the antipode.
RADIUS_M_MAX = 9_000_000.0

# A corridor's distance is measured in the plane of the point; past this the error shows.
HALF_WIDTH_M_MAX = 50_000.0

# Accuracy that counts towards the exit distance; worse fixes would never let anyone leave.
EXIT_ACCURACY_M_MAX = 50.0

# Rows that a ping or a timer can add at once: how much room the output keeps free.
OUTPUT_ROWS_MIN = 4_096

# -- geometry accepted from outside --------------------------------------------------------------

# Vertices of a zone that is accepted: the finest commune outline seen has 5,000; 20 times that
# still compiles in a second, while a traced coastline of millions would hold up everyone.
VERTICES_MAX = 100_000

# Problems reported of one geometry: enough to see the pattern, few enough for one answer.
PROBLEMS_MAX = 20

# No fix is better than a few metres; a smaller length is a mistake of units.
LENGTH_M_MIN = 1.0

# A whole region; a larger circle is a mistake of units.
CIRCLE_RADIUS_M_MAX = 500_000.0

# Nearer to a pole a corridor's edges bend within the plane its distances are measured in.
CORRIDOR_LAT_MAX = 85.0

# An area under a square metre is a line that was closed.
AREA_M2_MIN = 1.0

# -- measures and outlines -----------------------------------------------------------------------

# Longer edges are cut before distances are taken: the distance from any position to a degree of a
# straight line has one minimum.
EDGE_DEG_MAX = 1.0

# Golden-section steps on such an edge: what is left of 111 km is 350 m (0.618^12), over which
# straight in lon/lat and straight on the ground part by millimetres.
GOLDEN_STEPS = 12

# Vertices of a circle drawn on a map: at most 0.16 % of the radius off the true edge.
ARC_POINTS = 64

# Straight in lon/lat and straight on the ground part by 2 cm over a kilometre at 45 degrees.
OUTLINE_STEP_DEG = 0.01
OUTLINE_STEP_M = 1_000.0

# A corridor is drawn in planes that reach no further: lengths are right to 0.004 % in them.
OUTLINE_CHUNK_M = 100_000.0

# Map planes kept ready; making one takes a millisecond.
PLANES_KEPT = 64
