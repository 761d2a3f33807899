/** One of few, side by side. */
export function Choice<Value extends string>({
  name,
  value,
  choices,
  onChange,
}: {
  name: string
  value: Value
  choices: readonly (readonly [Value, string])[]
  onChange: (value: Value) => void
}) {
  return (
    <div role="group" aria-label={name} className="flex self-start rounded-lg border border-line bg-sunken p-0.5">
      {choices.map(([each, word]) => (
        <button
          key={each}
          type="button"
          aria-pressed={value === each}
          onClick={() => onChange(each)}
          className={`h-7 rounded-md px-2.5 font-medium ${value === each ? 'bg-surface shadow-shade' : 'text-muted hover:text-text'}`}
        >
          {word}
        </button>
      ))}
    </div>
  )
}
