"""What people do with the laboratory, one call each: train a run, answer a question from plan to report, compare.

The verbs of the command line parse for these calls and print what they return; `import reslab` offers the same.
"""
