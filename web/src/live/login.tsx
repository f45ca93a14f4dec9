import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { messages } from "../i18n/index.ts";
import { Beacon, Icon } from "../ui/icon.tsx";
import { LanguageSwitch } from "../ui/language-switch.tsx";
import { phase } from "./store.ts";
import { type SignIn, signIn, start } from "./stream.ts";

type Problem = Exclude<SignIn, "ok"> | "empty";

export function Login() {
  const text = messages.value.login;
  const key = useRef<HTMLInputElement>(null);
  const busy = useSignal(false);
  const shown = useSignal(false);
  const problem = useSignal<Problem | null>(null);
  useEffect(() => key.current?.focus(), []);

  const submit = async (event: Event) => {
    event.preventDefault();
    const value = key.current?.value.trim() ?? "";
    if (busy.value) return;
    if (value === "") {
      problem.value = "empty";
      key.current?.focus();
      return;
    }
    busy.value = true;
    problem.value = null;
    const outcome = await signIn(value);
    busy.value = false;
    if (outcome === "ok") {
      phase.value = "loading";
      void start();
      return;
    }
    problem.value = outcome;
    key.current?.select();
  };

  return (
    <main class="login">
      <form class="login-card" onSubmit={submit} noValidate>
        <Beacon />
        <h1>{text.title}</h1>
        <p class="login-intro">{text.intro}</p>
        <label for="key">{text.key}</label>
        <div class="login-field" data-invalid={problem.value !== null}>
          <input
            id="key"
            ref={key}
            name="key"
            {...(shown.value ? { type: "text" } : { type: "password" })}
            autocomplete="current-password"
            autocapitalize="none"
            spellcheck={false}
            aria-invalid={problem.value !== null}
            aria-describedby="key-note"
          />
          <button
            type="button"
            class="icon-button"
            aria-pressed={shown.value}
            aria-label={shown.value ? text.hide : text.show}
            title={shown.value ? text.hide : text.show}
            onClick={() => {
              shown.value = !shown.value;
            }}
          >
            <Icon name="eye" />
          </button>
        </div>
        <p id="key-note" class="login-note" role={problem.value ? "alert" : undefined}>
          {problem.value ? text[problem.value] : text.keyHint}
        </p>
        <button type="submit" class="button" disabled={busy.value}>
          {busy.value ? text.submitting : text.submit}
        </button>
      </form>
      <LanguageSwitch />
    </main>
  );
}
