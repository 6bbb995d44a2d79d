import type { WireRun } from '../../../src/server/native/trainingSchemas.ts'
import type { Language } from '../i18n/language.ts'

const english = {
  title: 'Training',
  language: 'Language',
  studio: 'Studio',
  tensorboard: 'All curves',
  apiDocs: 'API',
  runs: 'Trainings',
  noRuns:
    'No training was started from here yet. POST /api/v1/runs starts one; see the API. Trainings of the command line show their curves under "All curves".',
  states: {
    starting: 'starting',
    running: 'running',
    done: 'done',
    stopped: 'stopped',
    failed: 'failed',
    lost: 'its process is gone',
  } satisfies Record<WireRun['state'], string>,
  stopping: 'stops after the step at work',
  stop: 'Stop and save',
  step: (step: number, total: number) => `step ${step} of ${total}`,
  epoch: (epoch: number, epochs: number) => `epoch ${epoch} of ${epochs}`,
  left: (minutes: number) => (minutes < 1 ? 'less than a minute left' : `about ${Math.round(minutes)} min left`),
  caching: (done: number, total: number) => `encoding pictures: ${done} of ${total}`,
  averageLoss: (loss: string) => `mean loss ${loss}`,
  plan: 'What it does',
  saved: 'Saved in models/Lora',
  best: (name: string) => `best by validation loss: ${name}`,
  curves: 'Curves',
  nothing: 'Nothing is logged',
  samples: 'Previews',
  log: 'Log',
  unreachable: 'The server does not answer; it is asked again.',
}

/** Every text of the page. */
export type TrainingTexts = typeof english

const chinese: TrainingTexts = {
  title: '训练',
  language: '语言',
  studio: '绘图',
  tensorboard: '全部曲线',
  apiDocs: '接口文档',
  runs: '训练任务',
  noRuns: '这里还没有启动过训练。可用 POST /api/v1/runs 启动，见接口文档；命令行训练的曲线在“全部曲线”里。',
  states: {
    starting: '正在启动',
    running: '训练中',
    done: '已完成',
    stopped: '已停止',
    failed: '失败',
    lost: '进程已消失',
  },
  stopping: '当前步结束后停止',
  stop: '停止并保存',
  step: (step: number, total: number) => `第 ${step} / ${total} 步`,
  epoch: (epoch: number, epochs: number) => `第 ${epoch} / ${epochs} 轮`,
  left: (minutes: number) => (minutes < 1 ? '剩余不到一分钟' : `约剩 ${Math.round(minutes)} 分钟`),
  caching: (done: number, total: number) => `正在编码图片：${done} / ${total}`,
  averageLoss: (loss: string) => `平均损失 ${loss}`,
  plan: '训练内容',
  saved: '已保存到 models/Lora',
  best: (name: string) => `验证损失最低：${name}`,
  curves: '曲线',
  nothing: '没有记录',
  samples: '预览图',
  log: '日志',
  unreachable: '服务器没有响应，正在重试。',
}

export const trainingTexts: Readonly<Record<Language, TrainingTexts>> = { en: english, 'zh-CN': chinese }
