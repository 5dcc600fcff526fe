// Owns the HTML of the example message.

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char)

export function sampleHtml(title: string, body: string): string {
  const paragraphs = body
    .trim()
    .split(/\n{2,}/)
    .map((one) => `    <p>${escapeHtml(one)}</p>`)
    .join('\n')
  return `<div style="font-family: Arial, sans-serif; background: #f4f1ea; padding: 24px">
  <div style="max-width: 560px; margin: 0 auto; padding: 24px; background: #ffffff; border-radius: 8px">
    <h1 style="font-size: 22px">${escapeHtml(title)}</h1>
${paragraphs}
    <p><a href="https://shop.example.test/track/48213">shop.example.test</a></p>
  </div>
</div>`
}
