import {
  cloneElement,
  type InputHTMLAttributes,
  isValidElement,
  type ReactElement,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from 'react'

import { Down } from './icons.tsx'

const box = 'w-full rounded-lg border border-edge/45 bg-surface px-2.5 text-text placeholder:text-faint'

export function Input({ className = '', ...rest }: InputHTMLAttributes<HTMLInputElement>) {
  return <input {...rest} className={`h-8 ${box} ${className}`} />
}

export function TextArea({ className = '', ...rest }: TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return <textarea {...rest} className={`min-h-20 py-1.5 ${box} ${className}`} />
}

export function Select({ className = '', children, ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <span className={`relative inline-flex ${className}`}>
      <select {...rest} className="h-8 w-full appearance-none rounded-lg border border-line bg-surface ps-2.5 pe-7 font-medium text-text shadow-shade hover:bg-sunken">{children}</select>
      <Down className="pointer-events-none absolute end-2 top-2 size-4 text-muted" />
    </span>
  )
}

interface Labelled {
  id?: string
  'aria-describedby'?: string | undefined
  'aria-invalid'?: boolean
}

/** A label, its control, what helps with it, and what is wrong with it. */
export function Field({
  label,
  hint,
  problem,
  children,
}: {
  label: string
  hint?: ReactNode
  problem?: string | undefined
  children: ReactElement<Labelled>
}) {
  const id = useId()
  const says = `${id}-says`
  const control = isValidElement(children)
    ? cloneElement(children, {
        id,
        'aria-describedby': hint !== undefined || problem !== undefined ? says : undefined,
        'aria-invalid': problem !== undefined,
      })
    : children
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="font-medium">{label}</label>
      {control}
      <div id={says} className="empty:hidden">
        {problem !== undefined && <p role="alert" className="text-bad">{problem}</p>}
        {problem === undefined && hint !== undefined && <p className="text-faint">{hint}</p>}
      </div>
    </div>
  )
}

/** A CSV file from this machine. */
export function FileInput({ onFile, ...rest }: Labelled & { onFile: (file: File) => void }) {
  return (
    <input
      type="file"
      accept=".csv,text/csv,text/plain"
      {...rest}
      className="w-full rounded-lg border border-edge/45 bg-surface text-muted file:me-3 file:h-8 file:border-0 file:border-e file:border-line file:bg-sunken file:px-3 file:font-medium file:text-text"
      onChange={(event) => {
        const [file] = event.target.files ?? []
        if (file !== undefined) onFile(file)
      }}
    />
  )
}

/** Something that is on or off, and what it means. */
export function Check({ label, hint, checked, onChange }: { label: string; hint?: ReactNode; checked: boolean; onChange: (checked: boolean) => void }) {
  const id = useId()
  return (
    <div className="flex gap-2.5">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={hint === undefined ? undefined : `${id}-says`}
        onChange={(event) => onChange(event.target.checked)}
        className="mt-0.5 size-4 shrink-0 accent-accent"
      />
      <div>
        <label htmlFor={id} className="font-medium">{label}</label>
        {hint !== undefined && <p id={`${id}-says`} className="text-faint">{hint}</p>}
      </div>
    </div>
  )
}
