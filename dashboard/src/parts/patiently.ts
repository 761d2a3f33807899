const FIRST_WAIT = 500
const LONGEST_WAIT = 5_000
const TRIES = 20

/** Loads a part of the page, and tries again while the service does not answer: a screen waits for it rather than fail. */
export function patiently<Part>(load: () => Promise<Part>): () => Promise<Part> {
  return async () => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await load()
      } catch (cause) {
        if (tries === TRIES) throw cause
        const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1))
        await new Promise((resolve) => setTimeout(resolve, wait))
      }
    }
  }
}
