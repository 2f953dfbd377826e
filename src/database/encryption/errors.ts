/** A stored value that cannot be made readable: its key is not here, or it is not what was written there. */
export class TranscriptUnreadable extends Error {
  override readonly name = "TranscriptUnreadable";
}

/** Transcripts are to be encrypted and there is no key to do it with: nothing is written then. */
export class TranscriptKeyMissing extends Error {
  override readonly name = "TranscriptKeyMissing";
}
