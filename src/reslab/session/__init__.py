"""What users do with the laboratory, one call each: train a run, answer a question from plan to report, compare.

The verbs of the command line parse arguments for these calls and print the results; `import reslab` offers the same.
"""
