import { LANGUAGES, type Language, language, messages, setLanguage } from "../i18n/index.ts";
import { Icon } from "./icon.tsx";

export function LanguageSwitch({ short = false }: { short?: boolean }) {
  return (
    <label class="select language-switch">
      <span class="visually-hidden">{messages.value.app.language}</span>
      <select
        value={language.value}
        onChange={(event) => setLanguage(event.currentTarget.value as Language)}
      >
        {LANGUAGES.map(({ code, name }) => (
          <option key={code} value={code} lang={code}>
            {short ? code.toUpperCase() : name}
          </option>
        ))}
      </select>
      <Icon name="chevron" />
    </label>
  );
}
