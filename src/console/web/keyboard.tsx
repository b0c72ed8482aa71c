// The keyboard: `/` to search, `g` then `p`, `m` or `s` to go, arrows in lists, `?` for help.
import { useEffect, useRef, useState } from "preact/hooks";
import { go } from "./router";

const keys: [string, string][] = [
  ["/", "Search on this page"],
  ["g p", "Go to persons"],
  ["g m", "Go to messages"],
  ["g s", "Go to system"],
  ["j k or ↓ ↑", "Move in a list"],
  ["Enter", "Open"],
  ["Esc", "Leave the search field, release a selection"],
  ["?", "This help"],
];

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function moveInList(step: number): boolean {
  const links = [...document.querySelectorAll<HTMLElement>("[data-list] a, [data-list] button")];
  if (!links.length) return false;
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + step));
  links[next].focus();
  return true;
}

export function Keyboard() {
  const [isHelp, setHelp] = useState(false);
  const prefix = useRef(false);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const search = document.querySelector<HTMLInputElement>("input[type=search]");
      if (event.key === "Escape") {
        setHelp(false);
        if (isTyping(event.target)) (event.target as HTMLElement).blur();
        return;
      }
      if (event.key === "ArrowDown" && event.target === search && moveInList(1)) return event.preventDefault();
      if (isTyping(event.target)) return;
      const wasPrefix = prefix.current;
      prefix.current = event.key === "g";
      if (wasPrefix && event.key === "p") go("/");
      else if (wasPrefix && event.key === "m") go("/messages");
      else if (wasPrefix && event.key === "s") go("/system");
      else if (event.key === "/" && search) {
        search.focus();
        search.select();
      } else if (event.key === "?") setHelp((shown) => !shown);
      else if (event.key === "ArrowDown" || event.key === "j") {
        if (!moveInList(1)) return;
      } else if (event.key === "ArrowUp" || event.key === "k") {
        if (!moveInList(-1)) return;
      } else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  if (!isHelp) return null;
  return (
    <div class="overlay" onClick={() => setHelp(false)}>
      <div class="dialog" role="dialog" aria-label="Keys">
        <h2>Keys</h2>
        <dl>{keys.map(([key, what]) => [<dt key={key}><kbd>{key}</kbd></dt>, <dd>{what}</dd>])}</dl>
      </div>
    </div>
  );
}
