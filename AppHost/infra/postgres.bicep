// Azure Database for PostgreSQL, and the job that makes the services' databases and logins on it. azd deploys this (docs/operations.md).

@description('Where everything is; a region with availability zones and a paired region.')
param location string

@description('The environment that the job runs in; azd fills it in.')
param containerAppEnvironmentId string

@description('The password of the administrator, whom no service knows.')
@secure()
param administratorPassword string

@secure()
param accountingdbPassword string

@secure()
param busdbPassword string

@secure()
param cartdbPassword string

@secure()
param customersdbPassword string

@secure()
param salesdbPassword string

@secure()
param tododbPassword string

@secure()
param usersdbPassword string

@secure()
param warehousedbPassword string

var administrator = 'platformadmin'

var passwords = {
  accountingdb: accountingdbPassword
  busdb: busdbPassword
  cartdb: cartdbPassword
  customersdb: customersdbPassword
  salesdb: salesdbPassword
  tododb: tododbPassword
  usersdb: usersdbPassword
  warehousedb: warehousedbPassword
}

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' = {
  name: 'postgres-${uniqueString(resourceGroup().id)}'
  location: location
  sku: {
    name: 'Standard_D4ds_v5'
    tier: 'GeneralPurpose'
  }
  properties: {
    version: '17'
    administratorLogin: administrator
    administratorLoginPassword: administratorPassword
    authConfig: {
      activeDirectoryAuth: 'Disabled'
      passwordAuth: 'Enabled'
    }
    storage: {
      storageSizeGB: 128
      autoGrow: 'Enabled'
    }
    backup: {
      backupRetentionDays: 14
      geoRedundantBackup: 'Enabled'
    }
    highAvailability: {
      mode: 'ZoneRedundant'
    }
  }

  // Azure's own services, and nobody else: the apps have no fixed addresses.
  resource azure 'firewallRules' = {
    name: 'azure'
    properties: {
      startIpAddress: '0.0.0.0'
      endIpAddress: '0.0.0.0'
    }
  }

  // The server refuses a change while it makes another.
  resource extensions 'configurations' = {
    name: 'azure.extensions'
    properties: {
      source: 'user-override'
      value: 'PG_TRGM' // migrations index text by trigrams
    }
    dependsOn: [
      azure
    ]
  }
}

// A job that repeats needs nobody to start it: after the first deployment it makes the logins, later it sets changed passwords.
resource logins 'Microsoft.App/jobs@2024-03-01' = {
  name: 'postgres-logins'
  location: location
  properties: {
    environmentId: containerAppEnvironmentId
    configuration: {
      triggerType: 'Schedule'
      scheduleTriggerConfig: {
        cronExpression: '*/5 * * * *'
      }
      replicaTimeout: 240
      secrets: concat([
        {
          name: 'administrator-password'
          value: administratorPassword
        }
      ], map(items(passwords), login => {
        name: '${login.key}-password'
        value: login.value
      }))
    }
    template: {
      containers: [
        {
          name: 'logins'
          image: 'docker.io/library/postgres:18.3'
          command: [
            'sh'
            '-c'
            script
          ]
          env: concat([
            {
              name: 'PGHOST'
              value: server.properties.fullyQualifiedDomainName
            }
            {
              name: 'PGUSER'
              value: administrator
            }
            {
              name: 'PGSSLMODE'
              value: 'require' // the image has no certificates to verify with
            }
            {
              name: 'PGPASSWORD'
              secretRef: 'administrator-password'
            }
          ], map(items(passwords), login => {
            name: '${login.key}_password'
            secretRef: '${login.key}-password'
          }))
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
        }
      ]
    }
  }
  dependsOn: [
    server::extensions
  ]
}

// infra/logins.sh: azd takes this file alone, so the text is here too, and a test keeps the two alike.
var script = '''
# Makes each database and its login, which owns it and is alone in being let in, and sets the passwords. Run again, it changes what has changed.
# The server is that of PGHOST, PGUSER and PGPASSWORD. A password not in the environment, as busdb_password, is read from its secret's file.
set -eu
export PGDATABASE=postgres PGPASSWORD="${PGPASSWORD:-$(cat /run/secrets/postgres-password)}"
until pg_isready --quiet; do sleep 1; done
for name in accountingdb busdb cartdb customersdb salesdb tododb usersdb warehousedb; do
  password=$(printenv "${name}_password" || cat "/run/secrets/$name-password")
  export password
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=name="$name" <<'SQL'
\getenv password password
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" PASSWORD :'password';
GRANT :"name" TO CURRENT_USER;
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
\connect :name
CREATE EXTENSION IF NOT EXISTS pg_trgm;
SQL
  echo "$name is there"
done
'''

@description('The name of the server, which its certificate is verified against.')
output host string = server.properties.fullyQualifiedDomainName
