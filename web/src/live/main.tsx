import "../design/index.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { inLanguage, language, messages } from "../i18n/index.ts";
import { App } from "./app.tsx";
import { scene } from "./store.ts";
import { signIn, start, watchReturn } from "./stream.ts";

/** A link may carry a key behind its #, which no server and no log sees; it is used once, then gone. */
async function signInFromLink(): Promise<void> {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!key) return;
  history.replaceState(null, "", location.pathname + location.search);
  await signIn(key);
}

effect(() => {
  document.documentElement.lang = language.value;
  const destination = scene.value?.destination;
  document.title = destination
    ? messages.value.app.title(
        inLanguage(destination.name, language.value, destination.default_language),
      )
    : "Balise";
});

const root = document.getElementById("app");
if (!root) throw new Error("the page has no #app");
render(<App />, root);
watchReturn();
void signInFromLink().then(start);
