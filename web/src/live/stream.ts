/** Keeps the page joined to the server: the scene, then the stream, and again when it breaks. */
import { backoff_ms } from "./backoff.ts";
import {
  decodeMessage,
  SCENE_PATH,
  type Scene,
  SESSION_PATH,
  STREAM_PATH,
  UNAUTHORISED_CLOSE_CODE,
} from "./contract.ts";
import { link, phase, scene, simulated, take } from "./store.ts";

/** Frames come twice a second or more; ten seconds of silence means that the line is dead. */
const SILENCE_MS = 10_000;

const at = (path: string) => new URL(path, document.baseURI);

let sceneText = "";
let socket: WebSocket | null = null;
let attempt = 0;
let retryTimer: ReturnType<typeof setTimeout> | undefined;
let silenceTimer: ReturnType<typeof setTimeout> | undefined;

function listenForSilence(): void {
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(() => socket?.close(), SILENCE_MS);
}

function retryLater(): void {
  clearTimeout(retryTimer);
  clearTimeout(silenceTimer);
  const delay_ms = backoff_ms(attempt++, Math.random());
  link.value = { state: "lost", retryAt_ms: performance.now() + delay_ms };
  retryTimer = setTimeout(start, delay_ms);
}

function lockOut(): void {
  clearTimeout(retryTimer);
  clearTimeout(silenceTimer);
  phase.value = "unauthorised";
}

/** True when the scene is here; the zones may have changed while we were away, so it is re-read. */
async function loadScene(): Promise<boolean> {
  try {
    const answer = await fetch(at(SCENE_PATH), { headers: { accept: "application/json" } });
    if (answer.status === 401 || answer.status === 403) {
      lockOut();
      return false;
    }
    if (!answer.ok) throw new Error(`scene: ${answer.status}`);
    const text = await answer.text();
    // The same scene keeps its map: rebuilding it at each reconnection would make the page blink.
    if (text !== sceneText) {
      const read = JSON.parse(text) as Scene;
      if (read.simulated) simulated.value = true;
      scene.value = read;
      sceneText = text;
    }
    phase.value = "ready";
    return true;
  } catch {
    if (!scene.value) phase.value = "failed";
    retryLater();
    return false;
  }
}

function openSocket(): void {
  const url = at(STREAM_PATH);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(url);
  socket = opened;
  opened.onopen = listenForSilence;
  opened.onmessage = (event: MessageEvent<unknown>) => {
    if (typeof event.data !== "string") return;
    listenForSilence();
    const message = decodeMessage(event.data);
    if (!message) return;
    attempt = 0;
    if (link.value.state !== "live") link.value = { state: "live" };
    take(message);
  };
  opened.onclose = (event) => {
    if (socket !== opened) return;
    socket = null;
    if (event.code === UNAUTHORISED_CLOSE_CODE) lockOut();
    else retryLater();
  };
}

/** Connects now, whatever was planned. */
export async function start(): Promise<void> {
  clearTimeout(retryTimer);
  const previous = socket;
  socket = null;
  previous?.close();
  link.value = attempt === 0 ? { state: "connecting" } : { state: "lost", retryAt_ms: null };
  if (await loadScene()) openSocket();
}

/** Coming back to the tab or to the network is the moment to try, not fifteen seconds later. */
export function watchReturn(): void {
  const tryNow = () => {
    if (document.visibilityState === "visible" && link.value.state === "lost") {
      void start();
    }
  };
  window.addEventListener("online", tryNow);
  document.addEventListener("visibilitychange", tryNow);
}

export type SignIn = "ok" | "refused" | "tooMany" | "unreachable";

/** Opens a session with a key; the cookie that answers is out of reach of scripts. */
export async function signIn(key: string): Promise<SignIn> {
  try {
    const answer = await fetch(at(SESSION_PATH), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ key }),
    });
    if (answer.ok) return "ok";
    if (answer.status === 429) return "tooMany";
    return answer.status >= 500 ? "unreachable" : "refused";
  } catch {
    return "unreachable";
  }
}
