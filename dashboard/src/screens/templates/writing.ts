import type { InlineContentInput, TemplatePageFragment } from '../../api/generated.ts'

/** A template as the form has it. */
export interface Draft {
  name: string
  subject: string
  html: string
  text: string
}

export const BLANK: Draft = { name: '', subject: '', html: '', text: '' }

/** What the form has a place for a problem beside. */
export const FIELDS = ['name', 'subject', 'html', 'text', 'content']

export function draftOf({ name, subject, html, text }: TemplatePageFragment): Draft {
  return { name, subject: subject ?? '', html: html ?? '', text: text ?? '' }
}

/** A body of nothing but blanks is none. */
export function contentOf({ subject, html, text }: Draft): InlineContentInput {
  const body = (written: string) => (written.trim() === '' ? null : written)
  return { subject: subject.trim(), html: body(html), text: body(text) }
}

export function isSame(a: Draft, b: Draft): boolean {
  return a.name === b.name && a.subject === b.subject && a.html === b.html && a.text === b.text
}
