import { groupsOf } from './groups.ts'
import { replayGroups } from './replay.ts'

replayGroups(groupsOf.pictures)
