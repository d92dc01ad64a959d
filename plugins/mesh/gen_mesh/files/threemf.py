"""3MF: written, read, and its metadata."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from html import escape
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from gen.artifact import Artifact
from gen.errors import damaged_file
from gen.metadata import Metadata
from gen_mesh import cloud
from gen_mesh.files import artifacts, threemf_model
from gen_mesh.files.artifacts import on_bed, parts
from gen_mesh.files.colours import to_bytes
from gen_mesh.files.metadata import HEAD_BYTES, limited
from gen_mesh.files.threemf_package import Package


def write_3mf(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:
    """Write a 3MF in millimetres, Z up, with a colour per corner (3MF core 1.3, materials extension 1.2).

    Args: See ``write_obj``.
    """
    places, faces, tints = parts(artifact)
    palette, which = np.unique(to_bytes(tints), axis=0, return_inverse=True)
    which = which.reshape(-1)
    corner = which[faces]
    body = "".join(_rows('<vertex x="{:.5f}" y="{:.5f}" z="{:.5f}"/>', on_bed(places)))
    triangles = "".join(
        _rows(
            '<triangle v1="{}" v2="{}" v3="{}" pid="1" p1="{}" p2="{}" p3="{}"/>', np.hstack([faces, corner])
        )
    )
    said = "".join(
        f'<metadata name="{name}">{_xml(text)}</metadata>'
        for name, text in (("Application", metadata.software), ("gen:recipe", metadata.recipe))
        if text
    )
    model = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<model unit="millimeter" xml:lang="en-US"'
        ' xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"'
        ' xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02"'
        ' xmlns:gen="urn:gen-toolkit:3mf:1">'
        f'{said}<resources><m:colorgroup id="1">'
        + "".join(_rows('<m:color color="#{:02X}{:02X}{:02X}FF"/>', palette))
        + '</m:colorgroup><object id="2" type="model" name="shape"><mesh><vertices>'
        + f"{body}</vertices><triangles>{triangles}</triangles></mesh></object></resources>"
        + '<build><item objectid="2"/></build></model>'
    )
    types = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
        "</Types>"
    )
    relations = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Target="/3D/3dmodel.model" Id="rel0"'
        ' Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in (
            ("[Content_Types].xml", types),
            ("_rels/.rels", relations),
            ("3D/3dmodel.model", model),
        ):
            # A fixed date, so that the same artifact gives the same bytes.
            packed.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


@damaged_file()
def read_3mf(file: BinaryIO) -> Artifact:
    """Read a 3MF in whatever unit it is: all that it builds as one mesh, into the middle of the box.

    Raises:
        UsageError: Something else, damaged, more than ``MAX_UNPACKED`` when unpacked, or in need of an
            extension that is not read.
    """
    with Package(file.read()) as package:
        places, faces, tints = threemf_model.built(package)
    places = artifacts.off_bed(places)
    if np.isnan(tints).all():
        return artifacts.mesh(places, faces)
    coloured, old, colours = artifacts.with_face_colours(faces, np.where(np.isnan(tints), cloud.GREY, tints))
    return artifacts.mesh(places[old], coloured, colours)


@damaged_file()
def read_3mf_metadata(file: BinaryIO) -> Mapping[str, str]:
    """The recipe in the metadata of a 3MF."""
    with Package(file.read()) as package, package.open(package.root) as part:
        head = part.read(HEAD_BYTES)
    start, end = head.find(b'<metadata name="gen:recipe">'), head.find(b"<resources")
    if start < 0 or end < start:
        return {}
    try:
        # What starts at an element has no place for entities, so it cannot grow while it is parsed.
        text = ElementTree.fromstring(head[start:end].split(b"</metadata>")[0] + b"</metadata>").text
    except ElementTree.ParseError:
        return {}
    return limited({"gen": text or ""})


def _rows(pattern: str, table: NDArray[Any]) -> list[str]:
    return [pattern.format(*row) for row in table.tolist()]


def _xml(text: str) -> str:
    # Control characters and U+FFFE are characters of JSON, where they can be escaped, but not of XML.
    return escape(text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff"), quote=False)
