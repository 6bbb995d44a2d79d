/** What a tag speaks of. The first group is what a person or a character *is*; the second what a picture shows of it. */
export const characteristic = ['hair', 'eyes', 'skin', 'face', 'body'] as const
export const changeable = [
  'count',
  'expression',
  'action',
  'gaze',
  'clothing',
  'background',
  'light',
  'framing',
  'object',
  'meta',
] as const

export type TagCategory = (typeof characteristic)[number] | (typeof changeable)[number]

/** Words that decide before the patterns do: they look like another category than theirs. */
const exceptions: ReadonlyMap<string, TagCategory> = new Map(
  Object.entries({
    expression:
      'closed eyes, half-closed eyes, one eye closed, wide-eyed, rolling eyes, empty eyes, crying with eyes open, sparkling eyes, open mouth, closed mouth, parted lips, tongue out, clenched teeth',
    action:
      'hand in own hair, adjusting hair, tying hair, hair tucking, playing with own hair, brushing hair, covering eyes, covering face, hand on own face, floating hair, holding hair, wind, pulling hair, washing hair',
    clothing:
      'hair ornament, hairband, hair ribbon, hair bow, hair flower, hairclip, hair tie, hair bobbles, hair scrunchie, eyepatch, eyewear on head, fake animal ears, fake tail, detached wings, skin tight, bodysuit, breastplate, chest harness',
    framing: 'eye focus, face focus, foot focus, hair over shoulder focus, out of frame, head out of frame',
    background: 'face on wall, tail light',
    object: 'hair dryer, hairbrush, skull, feather hair, wings on wall',
    count: 'multiple boys, multiple girls, no humans',
  } satisfies Partial<Record<TagCategory, string>>).flatMap(([category, words]) =>
    words.split(', ').map((word) => [word, category as TagCategory] as const),
  ),
)

const words = (list: string) => new RegExp(`^(?:${list.split(' ').join('|').replaceAll('_', ' ')})$`, 'u')

/** Patterns of booru tags and of plain English and Chinese ones; the first that fits decides. */
const patterns: readonly (readonly [TagCategory, RegExp])[] = [
  [
    'count',
    /^(?:\d\+?|multiple |many )(?:girls?|boys?|others?|people|women|men)$|^(?:solo|duo|trio|group|couple|[一两三四五]个?(?:人|女孩|男孩))$/u,
  ],
  [
    'hair',
    /\b(?:hair|haired|bangs|ponytail|twintails|pigtails|braids?|braided|ahoge|sidelocks|hime cut|bob cut|pixie cut|buzz cut|mohawk|dreadlocks|afro|cornrows|hair bun|double bun|drill|drills|hairline|bald|balding|undercut|blonde?|brunette|redhead)\b|(?:头发|[长短黑白金银红蓝棕卷直]发|刘海|马尾|辫子?|发型|光头)$/u,
  ],
  [
    'eyes',
    /\b(?:eyes|eyed|pupils|heterochromia|tsurime|tareme|sanpaku|jitome|eyelashes|eyebrows|epicanthic folds?|iris)\b|(?:眼睛|[黑蓝绿红棕金紫]眼|瞳|睫毛|眉毛)$/u,
  ],
  [
    'skin',
    /\b(?:skin|skinned|freckles|mole|tan|tanlines?|scars?|birthmark|vitiligo|wrinkles|complexion)\b|(?:皮肤|肤色|雀斑|痣|疤痕?)$/u,
  ],
  [
    'face',
    /^(?:(?:thick |full |long |short )?(?:beard|mustache|goatee|stubble|sideburns|facial hair)|fangs?|lips|thick lips|nose|big nose|sharp chin|dimples|cheekbones|round face|oval face|jawline|facial mark|forehead mark|whisker markings|胡子|胡须|圆脸|瓜子脸|虎牙)$/u,
  ],
  [
    'body',
    /\b(?:breasts|muscular|muscles|abs|toned|chubby|plump|slim|slender|skinny|petite|curvy|tall|thick thighs|wide hips|narrow waist|biceps|pectorals)\b|\b(?:ears|tails?|horns?|wings|antlers|hooves|paws|halo)$|^(?:animal |cat |dog |fox |rabbit |wolf )(?:girl|boy|ears|tail)$|^(?:mature (?:female|male)|old (?:man|woman)|child|elf|furry|丰满|苗条|肌肉|高个子|身材.*)$/u,
  ],
  [
    'expression',
    words(
      'smile smiling light_smile grin laughing laugh frown frowning angry sad crying tears blush blushing surprised expressionless serious happy pout smirk embarrassed scared nervous sleepy sweat sweatdrop >_< :d :o :p ;d ^_^ =_= o_o @_@ :3 xd 微笑 笑 大笑 哭 哭泣 生气 害羞 脸红 惊讶 皱眉 张嘴',
    ),
  ],
  ['gaze', /^(?:looking|facing|eye contact|staring|glancing)\b|^(?:看着?|注视|回头)/u],
  [
    'framing',
    /\b(?:shot|close-?up|portrait|focus|view|angle|pov|selfie|profile|cropped|foreshortening|perspective|wide shot|fisheye|depth of field|bokeh)\b|^(?:upper body|lower body|full body|half body|head|from (?:above|below|behind|side|outside)|特写|半身像?|全身像?|侧面|正面|背面|俯视|仰视|近景|远景)$/u,
  ],
  [
    'background',
    /\b(?:background|outdoors|indoors|sky|clouds?|tree|trees|forest|grass|flower field|beach|ocean|sea|water|river|lake|mountain|mountains|city|cityscape|street|road|building|house|room|bedroom|kitchen|classroom|office|window|wall|door|floor|garden|park|snow|rain|night|day|sunset|sunrise|scenery|landscape|cafe|shop|station)\b|(?:背景|室内|室外|户外|天空|海边|街道?|森林|房间|夜晚|白天|雪)$/u,
  ],
  [
    'light',
    /\b(?:light|lighting|sunlight|backlighting|shadow|shadows|lens flare|light rays|rim light|glow|glowing|dark|dim|neon|光线?|逆光)\b/u,
  ],
  [
    'action',
    /^(?:sitting|standing|walking|running|jumping|lying|kneeling|squatting|leaning|holding|carrying|reading|writing|eating|drinking|sleeping|dancing|singing|playing|fighting|riding|swimming|flying|falling|stretching|waving|pointing|reaching|hugging|kissing|crossed|arms?|hands?|legs?|finger|v$|peace sign|salute|head tilt|on (?:back|side|stomach|bed|floor|chair)|all fours|wariza|seiza|indian style|posing|pose|坐|站|走|跑|跳|躺|拿|吃|喝|睡|跳舞|挥手)/u,
  ],
  [
    'clothing',
    /\b(?:shirt|t-shirt|dress|skirt|pants|jeans|shorts|jacket|coat|hoodie|sweater|cardigan|vest|suit|uniform|serafuku|kimono|yukata|hanfu|qipao|swimsuit|bikini|leotard|apron|armor|cape|cloak|robe|sleeves|sleeveless|collar|necktie|bowtie|ribbon|bow|scarf|gloves|mittens|socks|thighhighs|kneehighs|pantyhose|stockings|shoes|boots|sandals|sneakers|heels|barefoot|hat|cap|hood|helmet|beret|crown|tiara|glasses|sunglasses|goggles|mask|earrings?|necklace|choker|bracelet|ring|jewelry|belt|bag|backpack|underwear|bra|panties|lingerie|nude|topless|frills|lace|pocket|buttons|zipper|makeup|lipstick|nail polish|衣|裙|裤|帽|鞋|袜|眼镜|耳环|项链|围巾|外套|制服)(?:s|es)?$|^(?:clothes|clothing|bare|off-shoulder|striped|plaid|polka dot|.*(?:衣服?|裙子?|裤子?|帽子?|鞋子?|袜子?))\b/u,
  ],
  [
    'meta',
    /^(?:(?:best|high|low|worst|normal|amazing) quality|masterpiece|highres|absurdres|lowres|photo|photorealistic|realistic|monochrome|greyscale|sketch|lineart|comic|4koma|watermark|signature|artist name|dated|text|english text|speech bubble|web address|commentary|jpeg artifacts|blurry|general|sensitive|questionable|explicit|anime|illustration|painting|3d|官方|高清)$/u,
  ],
]

/** What a tag speaks of; undefined for what no table knows. */
export function categoryOf(tag: string): TagCategory | undefined {
  const plain = tag
    .toLowerCase()
    .replaceAll('_', ' ')
    .replace(/\\([()])/g, '$1')
    .trim()
  const kept = tag.toLowerCase().trim()
  return exceptions.get(plain) ?? patterns.find(([, pattern]) => pattern.test(plain) || pattern.test(kept))?.[0]
}

/** Whether a tag names what shall belong to the trigger word alone. */
export function isCharacteristic(category: TagCategory | undefined): boolean {
  return (characteristic as readonly (string | undefined)[]).includes(category)
}
