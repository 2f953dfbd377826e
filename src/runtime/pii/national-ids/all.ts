import type { Detector } from "../finding.ts";
import { atSvnr } from "./at-svnr.ts";
import { auTfn } from "./au-tfn.ts";
import { beRijksregister } from "./be-rijksregister.ts";
import { brCpf } from "./br-cpf.ts";
import { caSin } from "./ca-sin.ts";
import { chAhv } from "./ch-ahv.ts";
import { deSteuerId } from "./de-steuer-id.ts";
import { dkCpr } from "./dk-cpr.ts";
import { esDni } from "./es-dni.ts";
import { fiHetu } from "./fi-hetu.ts";
import { frNir } from "./fr-nir.ts";
import { inAadhaar } from "./in-aadhaar.ts";
import { inPan } from "./in-pan.ts";
import { itCodiceFiscale } from "./it-codice-fiscale.ts";
import { detectorOf } from "./national-id.ts";
import { nlBsn } from "./nl-bsn.ts";
import { noFodselsnummer } from "./no-fodselsnummer.ts";
import { plPesel } from "./pl-pesel.ts";
import { ptNif } from "./pt-nif.ts";
import { sePersonnummer } from "./se-personnummer.ts";
import { ukNino } from "./uk-nino.ts";
import { usSsn } from "./us-ssn.ts";

const DETECTORS = [
  atSvnr,
  auTfn,
  beRijksregister,
  brCpf,
  caSin,
  chAhv,
  deSteuerId,
  dkCpr,
  esDni,
  fiHetu,
  frNir,
  inAadhaar,
  inPan,
  itCodiceFiscale,
  nlBsn,
  noFodselsnummer,
  plPesel,
  ptNif,
  sePersonnummer,
  ukNino,
  usSsn,
].map(detectorOf);

/** Numbers that states give to persons. */
export const nationalIds: Detector = (text) => DETECTORS.flatMap((it) => it(text));
