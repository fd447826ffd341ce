// Whether this kernel is a guest that reports its free memory to the hypervisor (virtio balloon, free page reporting). The hypervisor
// takes reported memory back and must find some again at the next touch, which takes ten times as long as clearing it.

import { readFileSync } from 'node:fs';

const REPORTED_ORDER = '/sys/module/page_reporting/parameters/page_reporting_order';
/** A kernel without a balloon that reports has -1, as an unsigned number. */
const LARGEST_ORDER = 63;

/** @param path of the kernel's parameter: free blocks of 2^order pages and more are reported */
export function reportsFreePages(path = REPORTED_ORDER): boolean {
  let order: string;
  try {
    order = readFileSync(path, 'latin1').trim();
  } catch {
    return false;
  }
  return /^\d+$/.test(order) && Number(order) <= LARGEST_ORDER;
}
