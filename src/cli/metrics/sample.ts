// What the metrics show: one sample for each migration, and the process's own figures.

/** The side of a migration: `source` compresses and sends, `destination` receives and restores. */
export type Side = 'source' | 'destination';

/** The side of a server's transfer. */
export function sideOf(direction: 'incoming' | 'outgoing'): Side {
  return direction === 'incoming' ? 'destination' : 'source';
}

/** An error by its code. */
export interface CodedError {
  readonly code: string;
}

/** Bytes, bytes per second and seconds. */
export interface MigrationFigures {
  /** Bytes of the guest's stream. */
  readonly total?: number;
  /** Bytes of the guest's stream that were read (source) or restored (destination). */
  readonly processed: number;
  readonly remaining?: number;
  /** Bytes on the link. */
  readonly transferred: number;
  /** Processed bytes / bytes on the link. */
  readonly ratio?: number;
  /** Bytes of pages that the guest writes to per second. */
  readonly dirtyRate?: number;
  /** Seconds. */
  readonly downtime?: number;
  /** Rounds of pre-copy that have begun. */
  readonly iteration?: number;
  /** Connections that broke, and those that replaced them. */
  readonly linkBreaks?: number;
  readonly linkReconnects?: number;
  /** Seconds for which no connection lived. */
  readonly linkAway?: number;
  /** Switches of adaptive mode by the coding that they led to. */
  readonly switches?: Readonly<Record<string, number>>;
}

export interface MigrationLabels {
  readonly migration: string;
  readonly side: Side;
}

export interface MigrationSample {
  readonly labels: MigrationLabels;
  readonly figures: MigrationFigures;
  readonly succeeded: boolean;
  /** The error's code; undefined while the migration runs, and after success. */
  readonly failed: string | undefined;
}
