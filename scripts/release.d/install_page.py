"""Fills INSTALL.md in: sums, digests and version, as they stand in what was built."""

import pathlib
import re

import oci

TEMPLATE = pathlib.Path(__file__).parent / "INSTALL.md"


def fill(image, version, reference, source_url):
    """The page for this image, which is published as `reference`, and whose sources are at `source_url`."""
    filled = {
        "VERSION": version,
        "NAME": oci.NAME,
        "IMAGE": reference,
        "INDEX": image.index,
        "SOURCE": source_url,
    }
    for architecture, digest in image.manifests.items():
        filled[f"SUM_{architecture}"] = image.sums[architecture]
        filled[f"MANIFEST_{architecture}"] = digest
        filled[f"ID_{architecture}"] = image.ids[architecture]
    # A name that is not known is an error, and not a text that stays.
    return re.sub(r"@([A-Z]+(?:_[a-z0-9]+)?)@", lambda match: filled[match.group(1)], TEMPLATE.read_text())
