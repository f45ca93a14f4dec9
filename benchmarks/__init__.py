"""Seeded workloads, rivals side by side, figures with their machine."""
