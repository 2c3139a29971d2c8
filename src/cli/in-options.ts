/** A refusal names the field that is wrong; whoever reads it at the terminal has typed an option. */
export function inOptions(message: string, optionOfField: ReadonlyMap<string, string>): string {
  return message.replace(/^\w+/, (field) => optionOfField.get(field) ?? field);
}
