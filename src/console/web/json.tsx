// A resource as JSON whose elements can be lit, hovered and clicked. Paths are those of the lineage: name[0].given[1].
import { useMemo } from "preact/hooks";
import { ExactNumber, type Json } from "./api";

export interface JsonMarks {
  lit: (path: string) => boolean;      // shown as selected
  isKnown: (path: string) => boolean;  // has a source: can be hovered
  hover: (path: string | null) => void;
  pick: (path: string) => void;
  note?: (path: string) => preact.ComponentChildren;
}

interface Line {
  depth: number;
  path: string;
  name?: string;
  text: string;
  kind: "open" | "close" | "string" | "number" | "word";
  comma: boolean;
}

function pushLines(lines: Line[], value: Json | ExactNumber, path: string, depth: number, name: string | undefined, comma: boolean): void {
  if (value instanceof ExactNumber) {
    lines.push({ depth, path, name, text: value.text, kind: "number", comma });
  } else if (value !== null && typeof value === "object") {
    const isArray = Array.isArray(value);
    const members = isArray ? value.map((v, i) => [`${path}[${i}]`, undefined, v] as const)
      : Object.entries(value).map(([k, v]) => [path ? `${path}.${k}` : k, k, v] as const);
    lines.push({ depth, path, name, text: isArray ? "[" : "{", kind: "open", comma: false });
    members.forEach(([p, k, v], i) => pushLines(lines, v, p, depth + 1, k, i < members.length - 1));
    lines.push({ depth, path, text: isArray ? "]" : "}", kind: "close", comma });
  } else {
    const kind = typeof value === "string" ? "string" : typeof value === "number" ? "number" : "word";
    lines.push({ depth, path, name, text: JSON.stringify(value), kind, comma });
  }
}

export function JsonView({ value, marks }: { value: Json; marks: JsonMarks }) {
  const lines = useMemo(() => {
    const made: Line[] = [];
    pushLines(made, value, "", 0, undefined, false);
    return made;
  }, [value]);
  return (
    <div class="json" onMouseLeave={() => marks.hover(null)}>
      {lines.map((line, i) => {
        const isLeaf = line.kind !== "open" && line.kind !== "close";
        const known = isLeaf && marks.isKnown(line.path);
        const classes = ["line", known ? "known" : "", isLeaf && marks.lit(line.path) ? "lit" : ""].join(" ");
        return (
          <div key={i} class={classes} style={{ paddingLeft: `${line.depth * 1.1}em` }} data-path={line.path}
            tabIndex={known ? 0 : undefined} role={known ? "button" : undefined}
            onMouseEnter={() => marks.hover(known ? line.path : null)} onFocus={() => known && marks.hover(line.path)}
            onClick={() => known && marks.pick(line.path)} onKeyDown={(event) => event.key === "Enter" && known && marks.pick(line.path)}>
            <code>
              {line.name !== undefined && <><span class="key">"{line.name}"</span>: </>}
              <span class={`v-${line.kind}`}>{line.text}</span>{line.comma && ","}
            </code>
            {isLeaf && marks.note?.(line.path)}
          </div>
        );
      })}
    </div>
  );
}
