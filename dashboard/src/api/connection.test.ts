import { describe, expect, it } from 'vitest'

import { ConnectionWatch } from './connection.ts'

describe('the connection', () => {
  it('is live once a socket is open, and asks for nothing the first time', () => {
    const watch = new ConnectionWatch()
    expect(watch.state.get()).toBe('connecting')
    watch.connected()
    expect(watch.state.get()).toBe('live')
    expect(watch.beat.get()).toBe(0)
  })

  it('asks for what it missed when the socket is back', () => {
    const watch = new ConnectionWatch()
    watch.connected()
    watch.closed()
    expect(watch.state.get()).toBe('connecting')
    watch.connected()
    expect(watch.state.get()).toBe('live')
    expect(watch.beat.get()).toBe(1)
  })

  it('polls after three failures, and says so when not even that is answered', () => {
    const watch = new ConnectionWatch()
    watch.closed()
    watch.closed()
    watch.closed()
    expect(watch.state.get()).toBe('polling')
    watch.answered(false)
    expect(watch.state.get()).toBe('offline')
    watch.closed()
    expect(watch.state.get()).toBe('offline')
    watch.answered(true)
    expect(watch.state.get()).toBe('polling')
  })

  it('is not offline for one request that failed while the socket lives', () => {
    const watch = new ConnectionWatch()
    watch.connected()
    watch.answered(false)
    expect(watch.state.get()).toBe('live')
  })
})
