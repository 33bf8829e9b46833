# Figures of a run in rounds: what is measured in each becomes its median, with the lowest and highest; a ratio is of one round's two figures,
# then the median of the rounds'. What is measured once counts in each round. A name that is missing is an error.
def rounds: group_by(.name) | map({key: .[0].name, value: {of: map(.value), unit: .[0].unit, n: (map(.n) | add)}}) | from_entries;
def figure($unit; $n): sort | {value: .[length / 2 | floor], unit: $unit, n: $n} + (if length > 1 then {low: .[0], high: .[-1]} else {} end);
def figures: map_values(. as $f | $f.of | figure($f.unit; $f.n));
def get($r; $name): $r[$name] // error("missing: \($name)");
def ratio($r; $a; $b):
  get($r; $a) as $x | get($r; $b) as $y
  | [range([$x.of, $y.of | length] | max) | ($x.of[.] // $x.of[-1]) / ($y.of[.] // $y.of[-1])] | figure("ratio"; $x.n);
