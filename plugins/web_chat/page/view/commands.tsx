// The commands that fit what is typed, above the composer. The focus stays in the message: `active` is moved by its keys.
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Command } from "../model/commands.ts";

export const kCommandList = "commands";
export const commandId = (index: number): string => `command-${index}`;

export function Commands({ commands, active, onChoose }: {
  commands: readonly Command[];
  active: number;
  onChoose: (command: Command) => void;
}): JSX.Element {
  const chosen = useRef<HTMLLIElement>(null);
  useLayoutEffect(() => chosen.current?.scrollIntoView({ block: "nearest" }), [active, commands.length]);
  return (
    <ul class="commands" role="listbox" id={kCommandList} aria-label="Commands">
      {commands.map((command, index) => (
        <li
          key={command.name}
          id={commandId(index)}
          ref={index === active ? chosen : undefined}
          role="option"
          aria-selected={index === active}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onChoose(command)}
        >
          <span class="name">/{command.name} {command.hint && <span class="muted">{command.hint}</span>}</span>
          {command.description && <span class="muted small">{command.description}</span>}
        </li>
      ))}
    </ul>
  );
}
