import { useState } from 'react'

import { Choice } from './choice.tsx'

/** Stands before what an email says: nothing in it runs, and nothing is fetched, so that looking counts as no open. */
const WALL = `<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"><base target="_blank">`

interface LetterProps {
  html: string | null | undefined
  text: string | null | undefined
  /** Of the frame. */
  height?: string
}

/** What an email says, in a frame that can do nothing. */
export function Letter({ html, text, height = 'h-96' }: LetterProps) {
  const [form, setForm] = useState<'html' | 'text'>('html')
  const shown = html == null ? 'text' : text == null ? 'html' : form
  return (
    <div className="flex flex-col gap-3">
      {html != null && text != null && (
        <Choice name="Form" value={shown} onChange={setForm} choices={[['html', 'HTML'], ['text', 'Text']]} />
      )}
      {shown === 'html' ? (
        <div>
          <iframe sandbox="" title="What the email says" srcDoc={WALL + (html ?? '')} referrerPolicy="no-referrer" className={`${height} w-full rounded-lg border border-line bg-white`} />
          <p className="mt-1 text-faint">Scripts and pictures from elsewhere are not loaded: looking here counts as no open.</p>
        </div>
      ) : (
        <pre tabIndex={0} className="max-h-96 overflow-auto rounded-lg border border-line bg-canvas p-3 font-mono text-xs leading-5 whitespace-pre-wrap">{text}</pre>
      )}
    </div>
  )
}
