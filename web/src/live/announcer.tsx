import { useEffect, useState } from "preact/hooks";
import { languageName } from "../i18n/format.ts";
import { messages } from "../i18n/index.ts";
import type { PushMessage } from "./contract.ts";
import { onPush, pausedByButton } from "./store.ts";

/** A screen reader is told at most this often, or it would never fall silent. */
const ANNOUNCE_MS = 8_000;

/** Tells screen readers what was sent, politely and in bundles. */
export function Announcer() {
  const [text, setText] = useState("");
  useEffect(() => {
    let count = 0;
    let latest: PushMessage | null = null;
    const listen = (push: PushMessage) => {
      count += 1;
      latest = push;
    };
    onPush.add(listen);
    const timer = setInterval(() => {
      if (!latest || pausedByButton.value) return;
      const { feed } = messages.value;
      setText(
        count === 1
          ? feed.announce(latest.title, languageName(latest.lang))
          : feed.announceMany(count, latest.title),
      );
      count = 0;
      latest = null;
    }, ANNOUNCE_MS);
    return () => {
      onPush.delete(listen);
      clearInterval(timer);
    };
  }, []);
  return (
    <div class="visually-hidden" role="status" aria-live="polite" aria-atomic="true">
      {text}
    </div>
  );
}
