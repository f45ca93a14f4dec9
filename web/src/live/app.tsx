import { messages } from "../i18n/index.ts";
import { Announcer } from "./announcer.tsx";
import { Header } from "./header.tsx";
import { Login } from "./login.tsx";
import { MapStage } from "./map-stage.tsx";
import { Panel } from "./panel/panel.tsx";
import { phase } from "./store.ts";

export function App() {
  if (phase.value === "unauthorised") return <Login />;
  return (
    <div class="console">
      <a class="skip" href="#panel">
        {messages.value.app.skip}
      </a>
      <Header />
      <main class="live">
        <MapStage />
        <Panel />
      </main>
      <Announcer />
    </div>
  );
}
