export function lengthOf(value) {
  return value.length;
}
