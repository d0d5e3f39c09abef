import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

/** A headless Chromium that npm has brought, and the directory that it was unpacked into. */
export class Chromium {
  readonly browser: Browser
  readonly #directory: string

  private constructor(browser: Browser, directory: string) {
    this.browser = browser
    this.#directory = directory
  }

  /**
   * Unpacks the browser and starts it. It brings the libraries that it needs beyond those that Node itself needs
   * (glibc, libgcc), for Linux on x64. Elsewhere name an installed Chromium in the environment: `CHROMIUM=/path`.
   */
  static async launch(): Promise<Chromium> {
    const directory = mkdtempSync(join(tmpdir(), 'headfirst-chromium-'))
    try {
      const { CHROMIUM } = process.env
      const executablePath = CHROMIUM ?? (await unpack(directory))
      const browser = await chromium.launch({
        executablePath,
        args: [
          // Root, as which containers run, has no sandbox.
          '--no-sandbox',
          '--disable-gpu',
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
          '--no-first-run',
        ],
        env: {
          HOME: directory,
          TMPDIR: directory,
          ...(CHROMIUM === undefined && {
            LD_LIBRARY_PATH: join(directory, 'al2023', 'lib'),
            FONTCONFIG_PATH: join(directory, 'fonts'),
          }),
        },
      })
      return new Chromium(browser, directory)
    } catch (error) {
      rmSync(directory, { recursive: true, force: true })
      throw error
    }
  }

  async close(): Promise<void> {
    await this.browser.close()
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** @returns the path of the browser */
async function unpack(directory: string): Promise<string> {
  const before = { ...process.env }
  // It unpacks into the temporary directory of the system, and its libraries only where it takes itself to be on
  // a machine that has none: AWS Lambda.
  process.env['TMPDIR'] = directory
  process.env['AWS_EXECUTION_ENV'] = 'AWS_Lambda_nodejs20.x'
  try {
    const { default: packed } = await import('@sparticuz/chromium')
    const executable = await packed.executablePath()
    // It brings a font, and looks for it where Lambda has it. Without one, texts are not drawn and have no width.
    const fonts = join(directory, 'fonts')
    writeFileSync(
      join(fonts, 'fonts.conf'),
      `<?xml version="1.0"?><fontconfig><dir>${fonts}</dir><cachedir>${directory}/font-cache</cachedir></fontconfig>`,
    )
    return executable
  } finally {
    // It also changes the environment of this process, for what is started from it.
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
    Object.assign(process.env, before)
  }
}
