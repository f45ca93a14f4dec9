"""Bounds of the index, the tracker and what they accept, each with its reason."""

from __future__ import annotations

# -- geometry that is accepted -----------------------------------------------------------------

VERTICES_MAX = 100_000
"""Vertices of one zone: the finest commune outline seen has 5,000; 20 times that still compiles in
a second, while a traced coastline of millions would hold up the stream for everyone."""

PROBLEMS_MAX = 20
"""Problems reported of one geometry: enough to see the pattern, small enough for one answer."""

RADIUS_M_MIN = 1.0
"""A phone's fix is never better than a few metres; a smaller radius is a mistake of units."""

RADIUS_M_MAX = 500_000.0
"""A whole region; beyond it a circle is a mistake of units."""

HALF_WIDTH_M_MAX = 50_000.0
"""A corridor wider than this is an area, and should be drawn as one."""

AREA_M2_MIN = 1.0
"""An area under a square metre is a line that was closed."""

# -- measures and outlines ---------------------------------------------------------------------

EDGE_DEG_MAX = 1.0
"""Longer edges are cut before distances are taken: the distance from any position to a degree of a
straight line has one minimum."""

GOLDEN_STEPS = 32
"""Golden-section steps on such an edge: 111 km * 0.618^32 is 2 cm, and the distance itself is then
wrong by far less, since it is flat at its minimum."""

ARC_POINTS = 64
"""Vertices of a circle drawn on a map: 0.12 % of the radius inside the true edge."""

OUTLINE_STEP_DEG = 0.01
"""Straight in lon/lat and straight on the ground part by 2 cm over a kilometre at 45 degrees."""

OUTLINE_STEP_M = 1_000.0
"""The same, for the sides of a corridor."""

OUTLINE_CHUNK_M = 100_000.0
"""A corridor is drawn in planes that reach no further: lengths are right to 0.004 % in them."""

PLANES_KEPT = 64
"""Map planes kept ready, 20 kB each; making one takes a millisecond."""
