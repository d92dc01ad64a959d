"""Meshes and points in files: GLB, PLY, OBJ, STL, 3MF, XYZ and npz, with their metadata.

STL and 3MF are for printers: in millimetres, a hundred for the unit box, Z up and above the bed. The others
are Y up and in units of the box. Colours are linear in GLB, as glTF 2.0 demands (section 3.7.2.1), and sRGB
elsewhere; STL has none. Writing is done here, because only so the files carry what their formats can: colours
in full precision, the recipe, and the same bytes for the same artifact. Files are read as the specifications
of their formats mean them, with trimesh where it can be had to, as of GLB and STL; the modules of the others
name what trimesh 5.2 reads otherwise.
"""

from gen_mesh.files.artifacts import sampled
from gen_mesh.files.glb import read_glb, read_glb_metadata, write_glb
from gen_mesh.files.npz import read_npz, read_npz_metadata, write_npz
from gen_mesh.files.obj import read_obj, read_obj_metadata, write_obj
from gen_mesh.files.ply import read_ply, read_ply_metadata, write_ply
from gen_mesh.files.stl import read_stl, write_stl
from gen_mesh.files.threemf import read_3mf, read_3mf_metadata, write_3mf
from gen_mesh.files.xyz import read_xyz, write_xyz

__all__ = [
    "read_3mf",
    "read_3mf_metadata",
    "read_glb",
    "read_glb_metadata",
    "read_npz",
    "read_npz_metadata",
    "read_obj",
    "read_obj_metadata",
    "read_ply",
    "read_ply_metadata",
    "read_stl",
    "read_xyz",
    "sampled",
    "write_3mf",
    "write_glb",
    "write_npz",
    "write_obj",
    "write_ply",
    "write_stl",
    "write_xyz",
]
