# The line through the logarithms of y over x by least squares, over an array of rows: its slope is the exponent of growth, r2 is how much
# of the logarithms' spread it explains. null where there is nothing to fit: a value that is missing or not above 0; r2 also where nothing spreads.
def fit(x; y):
  map([(x), (y)]) as $p | ($p | length) as $n
  | if $n < 2 or ($p | any(.[]; .[0] == null or .[1] == null or .[0] <= 0 or .[1] <= 0)) then {exponent: null, r2: null}
    else ($p | map(map(log))) as $l
      | ($l | map(.[0]) | add / $n) as $mx | ($l | map(.[1]) | add / $n) as $my
      | ($l | map((.[0] - $mx) * (.[0] - $mx)) | add) as $xx
      | ($l | map((.[0] - $mx) * (.[1] - $my)) | add) as $xy
      | ($l | map((.[1] - $my) * (.[1] - $my)) | add) as $yy
      | {exponent: (if $xx > 0 then $xy / $xx else null end),
         r2: (if $xx > 0 and $yy > 1e-9 then $xy * $xy / ($xx * $yy) else null end)}
    end;
def slope(x; y): fit(x; y).exponent;
