#!/usr/bin/env bash
# Whether a platform just deployed serves its callers: health-gate.sh <address> [seconds to become ready] [seconds to watch]
# Waits until it is ready, then watches pages and APIs of every service that answer without a token; one wrong answer fails the gate.
set -euo pipefail
address=${1:?the address of the Gateway, such as https://shop.example.org}
ready_within=${2:-600}
watch_for=${3:-180}

status() { curl --silent --show-error --output /dev/null --max-time 15 --write-out '%{http_code}' "$address$1" || true; }

deadline=$((SECONDS + ready_within))
until [ "$(status /health/ready)" = 200 ]; do
  [ $SECONDS -lt $deadline ] || { echo "Not ready within $ready_within s: /health/ready says $(status /health/ready)"; exit 1; }
  sleep 5
done

deadline=$((SECONDS + watch_for))
rounds=0
while [ $SECONDS -lt $deadline ]; do
  for path in / /api/v1/products?limit=1 /customers/.well-known/jwks.json /users/.well-known/jwks.json \
    /openapi/customers.json /openapi/cart.json /openapi/users.json /openapi/todo.json /openapi/warehouse.json /openapi/accounting.json /openapi/sales.json; do
    code=$(status "$path")
    [ "$code" = 200 ] || { echo "$path says $code after $rounds good rounds"; exit 1; }
  done
  rounds=$((rounds + 1))
  sleep 5
done
echo "Healthy: $rounds rounds without a wrong answer"
