"""What others would use for the same job, one a file, each as well used as we know how."""
