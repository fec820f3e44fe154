"""Makes one CycloneDX bill of materials of those of each architecture, and adds what the compiler links in.

It prints the bill. A component is in it once, whichever architecture has it; where the checkout lay is not said.
"""

import argparse
import json
import pathlib


def by(key, bills, rows):
    """The rows of all bills by their key, each once."""
    return {row[key]: row for bill in bills for row in bill[rows]}


def dependencies(bills):
    joined = {}
    for bill in bills:
        for row in bill["dependencies"]:
            joined.setdefault(row["ref"], set()).update(row.get("dependsOn", []))
    return [{"ref": ref, "dependsOn": sorted(on)} for ref, on in sorted(joined.items())]


def of_debian(pair):
    name, version = pair.split("=", 1)
    purl = f"pkg:deb/debian/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": "required", "purl": purl}


def join(bills, linked):
    bill = bills[0]
    components = by("bom-ref", bills, "components")
    components |= {row["bom-ref"]: row for row in map(of_debian, linked)}
    bill["components"] = [row for _, row in sorted(components.items())]
    bill["dependencies"] = dependencies(bills)
    bill["metadata"]["properties"] = [row for one in bills for row in one["metadata"]["properties"]]
    return bill


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bill", action="append", required=True, type=pathlib.Path)
    parser.add_argument("--linked", action="append", default=[], metavar="PACKAGE=VERSION")
    parser.add_argument("--source", required=True, help="where the checkout lay")
    given = parser.parse_args()
    bills = [json.loads(file.read_text().replace(f"file://{given.source}", "file:///source")) for file in given.bill]
    print(json.dumps(join(bills, given.linked), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
