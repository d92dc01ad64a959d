"""How networks are held and run on a machine: precision, layout, loading, memory.

Modules are imported one by one, since some must not import torch:

- ``machine``: a self-test of a second that measures which precision is fast here (no torch until it runs);
- ``precision``: a network in its fast form, in place;
- ``packing``: layers with weights that oneDNN has reordered;
- ``weights``: modules filled from safetensors files through a memory map;
- ``residency``: components in memory only while they are used;
- ``memory``: what a call needs, what the machine has, and how many items fit;
- ``tiles``: decoding in tiles with blended seams.
"""
