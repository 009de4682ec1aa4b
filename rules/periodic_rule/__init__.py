"""What every periodic custom rule of AWS Config for `AWS::::Account` needs. It knows no rule: see docs/adding-a-rule.md."""
