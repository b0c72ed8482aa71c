import { render } from "preact";
import { useEffect } from "preact/hooks";
import { Explain } from "./explain";
import { Keyboard } from "./keyboard";
import { Message } from "./message";
import { Messages } from "./messages";
import { Person } from "./person";
import { Persons } from "./persons";
import { useRoute, type Route } from "./router";
import { Shell } from "./shell";
import { System } from "./system";
import { Empty } from "./ui";

function page({ path, parameters, turn }: Route): [string, string, preact.JSX.Element] {
  const [area, first, second] = path;
  const text = parameters.get("text") ?? "";
  if (area === undefined || (area === "persons" && first === undefined)) return ["persons", "Persons", <Persons key={turn} initial={text} />];
  if (area === "persons") return ["persons", "Person", <Person key={first} id={first} />];
  if (area === "messages" && first === undefined)
    return ["messages", "Messages", <Messages key={turn} initialText={text} initialStatus={parameters.get("status") ?? ""} />];
  if (area === "messages" && /^\d+$/.test(first)) return ["messages", `Message ${first}`, <Message key={first} number={Number(first)} />];
  if (area === "resources" && second !== undefined) return ["persons", first, <Explain key={first + second} type={first} id={second} />];
  if (area === "system" && first === undefined) return ["system", "System", <System />];
  return ["", "Not found", <Empty>There is no such page. <a href="#/">To the start</a></Empty>];
}

function App() {
  const route = useRoute();
  const [area, title, content] = page(route);
  const address = route.path.join("/");
  useEffect(() => {
    document.title = `${title} · Callosum`;
    scrollTo(0, 0);
  }, [title, address]);
  return (
    <>
      <Shell area={area}>{content}</Shell>
      <Keyboard />
    </>
  );
}

render(<App />, document.getElementById("app")!);
