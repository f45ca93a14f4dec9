"""The motor: log, pipeline, snapshots, store and crowd feeds."""
