/** What the commands call a field of a rollout or of a command to it, for `inOptions`. */
export const optionOfField: ReadonlyMap<string, string> = new Map([
  ['name', '--name'],
  ['baselineArm', '--from'],
  ['canaryArm', '--to'],
  ['interval', '--interval'],
  ['takeOver', '--take-over'],
  ['actor', '--actor'],
  ['reason', '--reason'],
]);
