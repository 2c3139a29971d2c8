/**
 * A refusal begins with the field that is wrong, and may name others in camel case; whoever reads it at the terminal has
 * typed options.
 */
export function inOptions(message: string, optionOfField: ReadonlyMap<string, string>): string {
  return message.replaceAll(/^\w+|\b[a-z]+[A-Z]\w*/g, (field) => optionOfField.get(field) ?? field);
}
