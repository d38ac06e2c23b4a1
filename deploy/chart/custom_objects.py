"""Checks objects of Kubernetes against the definitions of their kinds (CRDs).

    python custom_objects.py FOLDER MANIFEST...

FOLDER has the definitions, one file for each kind. Of the manifests, objects of other groups than
those of the definitions are left alone. Fields that a definition does not have are errors, though
a cluster would drop them without a word. Prints the number of objects by kind; the status is 1 if
one is wrong, or if there is none.
"""

import collections
import pathlib
import sys

import jsonschema
import yaml


def strict(schema):
    """The schema, with every field that it does not name forbidden."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # The names below `properties` are those of fields, not keywords.
    fields = {name: strict(field) for name, field in schema.get("properties", {}).items()}
    result = {key: strict(value) for key, value in schema.items() if key != "properties"}
    if fields and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result |= {"properties": fields, "additionalProperties": False}
    return result


def schemas(folder):
    """The schema of each version of each kind, and the groups."""
    found = {}
    for file in sorted(pathlib.Path(folder).glob("*.yaml")):
        spec = yaml.safe_load(file.read_text())["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # Kubernetes checks these by itself.
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found, {version.split("/")[0] for version, _ in found}


def main(folder, *manifests):
    known, groups = schemas(folder)
    counts = collections.Counter()
    errors = []
    for manifest in manifests:
        for item in yaml.safe_load_all(pathlib.Path(manifest).read_text()):
            if item is None or item["apiVersion"].split("/")[0] not in groups:
                continue
            kind = item["apiVersion"], item["kind"]
            name = f"{manifest}: {item['kind']} {item['metadata']['name']}"
            if kind not in known:
                errors.append(f"{name}: {kind[0]} has no such kind")
                continue
            counts[item["kind"]] += 1
            for error in jsonschema.Draft202012Validator(known[kind]).iter_errors(item):
                errors.append(f"{name}: {error.json_path}: {error.message}")
    for error in errors:
        print(error, file=sys.stderr)
    print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    sys.exit(bool(errors) or not counts)


main(*sys.argv[1:])
