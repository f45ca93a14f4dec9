import { formatShort } from "../../i18n/format.ts";
import { messages } from "../../i18n/index.ts";
import { topReasons } from "../feed.ts";
import { figures } from "../store.ts";

/** A reason in words; one that a newer server invented is at least made legible. */
export function reasonWords(reason: string): string {
  const known = messages.value.reasons[reason];
  if (known) return known;
  const plain = reason.replace(/[_.:-]+/g, " ").trim();
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

/** Why messages were not sent: the most frequent reasons, to scale. */
export function HeldBars({ rows }: { rows: number }) {
  const text = messages.value.held;
  const reasons = topReasons(figures.value?.held ?? {}, rows);
  const most = Math.max(...reasons.map(([, count]) => count), 1);
  return (
    <section class="held" style={{ "--rows": rows }}>
      <h2>{text.title}</h2>
      {reasons.length === 0 ? (
        <p class="faint">{figures.value ? text.none : "\u00a0"}</p>
      ) : (
        <ul>
          {reasons.map(([reason, count]) => (
            <li key={reason ?? ""}>
              <span class="held-name">{reason === null ? text.others : reasonWords(reason)}</span>
              <span class={reason === null ? "held-bar rest" : "held-bar"} aria-hidden="true">
                <i style={{ transform: `scaleX(${count / most})` }} />
              </span>
              <span class="held-count tabular">{formatShort(count)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
