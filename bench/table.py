"""The table of figures, each beside the limit that it is compared with; docs/performance.md shows it."""
import os
import platform
import re


class Table:
    """Rows of: what, figure, unit, the limit it is compared with, the aim."""

    def __init__(self):
        self.rows = []

    def add(self, what, figure, unit, limit_name="", limit=None, aim=""):
        self.rows.append((what, figure, unit, limit_name, limit, aim))
        ratio = f"  {figure / limit:6.2f} of {limit_name} ({number(limit)})" if limit else ""
        print(f"{what:<66} {number(figure):>12} {unit:<14}{ratio}  {aim}", flush=True)

    def markdown(self):
        lines = ["| what | figure | unit | limit in the same run | ratio | aim |", "|---|---:|---|---|---:|---|"]
        for what, figure, unit, limit_name, limit, aim in self.rows:
            against = f"{limit_name}: {number(limit)}" if limit else ""
            ratio = f"{figure / limit:.2f}" if limit else ""
            name = what.replace("|", "\\|")
            lines.append(f"| {name} | {number(figure)} | {unit} | {against} | {ratio} | {aim} |")
        return "\n".join(lines)


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}"


def machine():
    with open("/proc/cpuinfo") as cpuinfo:
        model = re.search(r"model name\s*:\s*(.*)", cpuinfo.read())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model.group(1) if model else platform.machine()}), {memory:.0f} GiB of memory, Linux {platform.release().split('-')[0]}"


def write_page(table, path):
    """Puts the table between the markers of docs/performance.md."""
    replace_block(path, "table", f"Machine: {machine()}. Made by `./dev bench --write`.\n\n{table.markdown()}")


def replace_block(path, name, block):
    """What stands between the markers <!-- name --> and <!-- end of name --> of a page."""
    with open(path) as page:
        text = page.read()
    text, n = re.subn(f"<!-- {name} -->.*?<!-- end of {name} -->", lambda _: f"<!-- {name} -->\n{block}\n<!-- end of {name} -->", text, flags=re.S)
    if n != 1:
        raise RuntimeError(f"{path} has no place for the table")
    with open(path, "w") as page:
        page.write(text)
