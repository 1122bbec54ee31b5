/** For XML and HTML, in text and in attributes between double quotes. What XML 1.0 has no way to say becomes U+FFFD. */
export function escaped(text: string): string {
  return text.replace(notInXml, '\ufffd').replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they are
const notInXml = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g
