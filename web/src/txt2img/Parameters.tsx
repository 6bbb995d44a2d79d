import { Checkbox, Select } from '@mantine/core'
import { useTexts } from '../i18n/texts.ts'
import { IconButton } from '../shell/IconButton.tsx'
import { resetParameters, useForm } from '../state/formStore.ts'
import { useStudio } from '../state/studioStore.ts'
import { useField } from '../state/useField.ts'
import { NumberField } from './NumberField.tsx'
import styles from './Parameters.module.css'
import { SeedField } from './SeedField.tsx'
import { SizeFields } from './SizeFields.tsx'
import { SwitchSection } from './SwitchSection.tsx'

/** Everything about a picture besides its words. */
export function Parameters() {
  return (
    <div className={styles.parameters}>
      <Sampling />
      <PictureSection />
      <Hires />
      <Variation />
      <ModelDetails />
    </div>
  )
}

function Sampling() {
  const texts = useTexts()
  const sampler = useField('sampler')
  const scheduler = useField('scheduler')
  const models = useStudio((studio) => studio.models)
  return (
    <section className={`panel ${styles.section}`}>
      <div className={styles.sectionHead}>
        <h2 className={styles.sectionTitle}>{texts.sampling}</h2>
        <IconButton icon="reset" size="sm" label={texts.resetAll} onClick={resetParameters} />
      </div>
      <div className={styles.pair}>
        <Select
          label={texts.sampler}
          data={(models?.samplers ?? []).map(({ name }) => name)}
          value={sampler.value}
          onChange={(name) => name !== null && sampler.set(name)}
          error={sampler.error}
          allowDeselect={false}
          searchable
        />
        <Select
          label={texts.scheduler}
          data={[
            { value: 'Automatic', label: texts.schedulerAutomatic },
            ...(models?.schedulers ?? []).map(({ label }) => ({ value: label, label })),
          ]}
          value={scheduler.value}
          onChange={(label) => label !== null && scheduler.set(label)}
          error={scheduler.error}
          allowDeselect={false}
          searchable
        />
      </div>
      <div className={styles.pair}>
        <NumberField name="steps" min={1} max={150} />
        <NumberField name="cfgScale" min={1} max={30} step={0.5} help={texts.cfgScaleHelp} />
      </div>
    </section>
  )
}

function PictureSection() {
  const texts = useTexts()
  return (
    <section className={`panel ${styles.section}`}>
      <h2 className={styles.sectionTitle}>{texts.picture}</h2>
      <SizeFields />
      <div className={styles.pair}>
        <NumberField name="batchCount" min={1} max={100} />
        <NumberField name="batchSize" min={1} max={8} />
      </div>
      <SeedField name="seed" />
    </section>
  )
}

function Hires() {
  const texts = useTexts()
  const { width, height, hiresScale } = useForm()
  const models = useStudio((studio) => studio.models)
  const upscaler = useField('hiresUpscaler')
  // As the server does it: whole pixels, then whole latents.
  const enlarged = (side: number) => Math.floor(Math.floor(side * hiresScale) / 8) * 8
  const sizes = texts.hiresSizes(`${width}×${height}`, `${enlarged(width)}×${enlarged(height)}`)
  return (
    <SwitchSection name="hasHires" help={texts.hiresHelp} summary={sizes}>
      <Select
        label={texts.hiresUpscaler}
        data={[...(models?.latentUpscalers ?? []), ...(models?.upscalers ?? [])]}
        value={upscaler.value}
        onChange={(name) => name !== null && upscaler.set(name)}
        error={upscaler.error}
        allowDeselect={false}
      />
      <NumberField name="hiresScale" min={1} max={4} step={0.05} />
      <NumberField name="hiresSteps" min={0} max={150} help={texts.hiresStepsHelp} />
      <NumberField name="hiresDenoising" min={0} max={1} step={0.01} />
    </SwitchSection>
  )
}

function Variation() {
  const texts = useTexts()
  return (
    <SwitchSection name="hasVariation" help={texts.variationHelp}>
      <SeedField name="variationSeed" />
      <NumberField name="variationStrength" min={0} max={1} step={0.01} />
    </SwitchSection>
  )
}

function ModelDetails() {
  const texts = useTexts()
  const vae = useField('vae')
  const tiling = useField('tiling')
  const models = useStudio((studio) => studio.models)
  return (
    <section className={`panel ${styles.section}`}>
      <h2 className={styles.sectionTitle}>{texts.advanced}</h2>
      <div className={styles.pair}>
        <Select
          label={texts.vae}
          data={[
            { value: 'Automatic', label: texts.vaeAutomatic },
            { value: 'None', label: texts.vaeNone },
            ...(models?.vaes ?? []).map(({ title }) => ({ value: title, label: title })),
          ]}
          value={vae.value}
          onChange={(name) => name !== null && vae.set(name)}
          error={vae.error}
          allowDeselect={false}
        />
        <NumberField name="clipSkip" min={1} max={12} />
      </div>
      <Checkbox
        label={texts.tiling}
        description={texts.tilingHelp}
        checked={tiling.value}
        onChange={(event) => tiling.set(event.currentTarget.checked)}
      />
    </section>
  )
}
