"""How networks are held and run on the hardware at hand: precision, layout, loading, memory.

Modules are imported one by one, since some must not import torch:

- ``profile``: a self-test that measures which precision is fast on this CPU (imports torch only to measure);
- ``precision``: a network in its fast form, in place;
- ``packing``: layers with weights that oneDNN has reordered;
- ``memory``: what the machine has, what a call needs, how many items fit at once;
- ``batching``: a network that divides a batch where the memory does not suffice;
- ``residency``: parts of a model in memory only while they are used;
- ``tiles``: decoding in tiles, blended where they overlap.
"""
