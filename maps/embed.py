"""Writes the map files as one C file: embed.py FOLDER OUT.c DEPFILE"""

import os
import sys

FOLDERS = ("messages", "segments", "datatypes", "tables")


def literal(data):
    lines = []
    for line in data.decode("utf-8").split("\n"):
        text = line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\r", "\\r")
        lines.append('    "%s\\n"' % text.replace("?", "\\?"))
    return "\n".join(lines)


def main(root, out, depfile):
    used, entries = [os.path.abspath(__file__), root], []
    for folder in FOLDERS:
        path = os.path.join(root, folder)
        used.append(path)
        for name in sorted(os.listdir(path)):
            if not name.endswith(".map") or name.startswith("."):
                continue
            used.append(os.path.join(path, name))
            with open(used[-1], "rb") as f:
                data = f.read()
            entries.append((folder + "/" + name, data))
    with open(out, "w", encoding="utf-8") as f:
        f.write('#include "mapping/files.h"\n\n')
        for i, (_, data) in enumerate(entries):
            f.write("static const char text_%d[] =\n%s;\n\n" % (i, literal(data)))
        f.write("const struct embedded_map embedded_maps[] = {\n")
        for i, (name, _) in enumerate(entries):
            f.write('    {"%s", text_%d, sizeof text_%d - 1},\n' % (name, i, i))
        f.write("};\nconst size_t embedded_maps_n = sizeof embedded_maps / sizeof embedded_maps[0];\n")
    with open(depfile, "w", encoding="utf-8") as f:
        f.write("%s: %s\n" % (out, " ".join(p.replace(" ", "\\ ") for p in used)))


main(*sys.argv[1:])
