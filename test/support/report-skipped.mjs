/** Says at the end of a run which tests were skipped because something is missing, and how to run them. */
export default class ReportSkipped {
  onRunComplete(_contexts, { testResults }) {
    const skipped = new Map();
    for (const { status, ancestorTitles } of testResults.flatMap((file) => file.testResults)) {
      // The end of a title as `describeWith` in requirements.ts writes it.
      const [, need] = /\(needs (.+)\)$/.exec(ancestorTitles[0] ?? "") ?? [];
      if (status === "pending" && need !== undefined) skipped.set(need, (skipped.get(need) ?? 0) + 1);
    }
    for (const [need, count] of skipped) console.log(`Skipped ${count} tests that need ${need}.`);
  }
}
