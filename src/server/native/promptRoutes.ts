import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { readEmbedding } from '../../pipeline/embeddingFile.ts'
import { requestFromInfotext } from '../../pipeline/wire/requestFromInfotext.ts'
import { stripComments } from '../../text/comments.ts'
import { indexEmbeddings } from '../../text/embeddings.ts'
import { applyStyles } from '../../text/styles.ts'
import { countTokens } from '../../text/tokenCount.ts'
import type { NativeServices } from './nativeServices.ts'
import { errors } from './replies.ts'

const prompt = Type.String({ maxLength: 20_000 })
const Count = Type.Object({
  tokens: Type.Integer(),
  room: Type.Integer({ description: 'Of the chunks of 75 that they need' }),
})

/** What texts come to, before anything is made of them. */
export const promptRoutes: FastifyPluginAsyncTypebox<NativeServices> = async (app, { studio }) => {
  const tags = ['studio']

  app.post(
    '/tokens',
    {
      schema: {
        tags,
        summary: 'Count the tokens of prompts, styles and embeddings included',
        body: Type.Object({
          prompt,
          negativePrompt: prompt,
          styles: Type.Optional(Type.Array(Type.String(), { maxItems: 100 })),
          steps: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, description: 'For [from:to:when]' })),
        }),
        response: { 200: Type.Object({ prompt: Count, negativePrompt: Count }), ...errors(400, 413, 422) },
      },
    },
    async ({ body: { prompt, negativePrompt, styles = [], steps = 20 } }) => {
      const chosen = studio.styles().filter(({ name }) => styles.includes(name))
      const clean = studio.options.enable_prompt_comments ? stripComments : (text: string) => text
      const positive = clean(
        applyStyles(
          prompt,
          chosen.map((style) => style.prompt),
        ),
      )
      const negative = clean(
        applyStyles(
          negativePrompt,
          chosen.map((style) => style.negativePrompt),
        ),
      )
      const words = `${positive}\n${negative}`.toLowerCase()
      const named = studio.library.embeddings().filter(({ stem }) => words.includes(stem.toLowerCase()))
      const tokenizer = studio.tokenizer('clip')
      const options = {
        tokenizer,
        embeddings: indexEmbeddings(
          await Promise.all(named.map(({ stem, path }) => readEmbedding({ name: stem, path, isBundled: false }))),
          tokenizer,
        ),
        emphasis: studio.options.emphasis,
        commaBacktrack: studio.options.comma_padding_backtrack,
      }
      return {
        prompt: countTokens(positive, steps, false, options),
        negativePrompt: countTokens(negative, steps, true, options),
      }
    },
  )

  app.post(
    '/infotext',
    {
      schema: {
        tags,
        summary: 'The request that an infotext asks for',
        body: Type.Object({ infotext: Type.String({ maxLength: 200_000 }) }),
        response: {
          200: Type.Object({
            endpoint: Type.Enum(['txt2img', 'img2img']),
            request: Type.Object({}, { additionalProperties: true }),
            checkpoint: Type.Union([Type.String(), Type.Null()]),
          }),
          ...errors(400, 413, 422),
        },
      },
    },
    async ({ body: { infotext } }) => {
      const { endpoint, body } = requestFromInfotext(infotext, { isReplay: false })
      const replay = requestFromInfotext(infotext, { isReplay: true }).body.override_settings
      const checkpoint = Object.entries(replay ?? {}).find(([key]) => key === 'sd_model_checkpoint')?.[1]
      return { endpoint, request: { ...body }, checkpoint: typeof checkpoint === 'string' ? checkpoint : null }
    },
  )
}
